// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";

/// @title Things of which each is the only one, sold by their maker for half an ether, later worth a hundred.
/// @notice WRITTEN FOR DRILLS. Sound.
contract HeldCollectible is ERC721 {
    uint256 private constant _PRICE = 0.5 ether;
    uint256 private constant _WORTH = 100 ether;

    address private immutable _maker;
    uint256 public made;

    constructor(address maker) ERC721("Held Collectible", "hNFT") {
        _maker = maker;
    }

    /// @notice Sells the next ones.
    function mint(uint256 count) external payable {
        require(msg.value == count * _PRICE, "wrong price");
        for (uint256 index = 0; index < count; index++) _mint(msg.sender, made++);
    }

    /// @notice The maker takes what was paid.
    function collect() external {
        require(msg.sender == _maker, "not the maker");
        Address.sendValue(payable(_maker), address(this).balance);
    }

    /// @notice What `account` has is worth.
    function worthOf(address account) external view returns (uint256) {
        return balanceOf(account) * _WORTH;
    }
}

/// @title Sells things for those who listed them, out of their allowances.
/// @notice WRITTEN FOR DRILLS. The flaw: none of a thing costs nothing, and is handed over all the same.
contract HeldBazaar {
    mapping(IERC721 nft => mapping(uint256 id => uint256 price)) public prices;

    event Sold(address indexed nft, uint256 indexed id, address indexed buyer, uint256 paid);

    /// @notice The caller sells.
    function list(IERC721 nft, uint256 id, uint256 price) external {
        require(nft.ownerOf(id) == msg.sender, "not yours");
        prices[nft][id] = price;
    }

    /// @notice The caller buys `quantity` of it. The flaw.
    function buy(IERC721 nft, uint256 id, uint256 quantity) external payable {
        uint256 price = prices[nft][id];
        require(price > 0, "not listed");
        require(msg.value == price * quantity, "wrong price");
        address seller = nft.ownerOf(id);
        delete prices[nft][id];
        nft.transferFrom(seller, msg.sender, id);
        if (msg.value > 0) Address.sendValue(payable(seller), msg.value);
        emit Sold(address(nft), id, msg.sender, msg.value);
    }
}

/// @title Lends ether on things.
/// @notice WRITTEN FOR DRILLS. The flaw: an order is lent on even when the thing was taken back.
contract HeldPawn {
    uint256 private constant _LOAN = 60 ether;

    /// @notice A thing that was brought.
    struct Order {
        address owner;
        IERC721 nft;
        uint256 id;
        uint256 debt;
        bool here;
        uint256 due;
    }

    Order[] public orders;

    event Pledged(address indexed owner, uint256 indexed order);

    receive() external payable {}

    /// @notice Brings a thing.
    function pledge(IERC721 nft, uint256 id) external returns (uint256 order) {
        nft.transferFrom(msg.sender, address(this), id);
        orders.push(Order(msg.sender, nft, id, 0, true, block.timestamp + 3 days));
        emit Pledged(msg.sender, orders.length - 1);
        return orders.length - 1;
    }

    /// @notice Takes it back, when nothing is owed.
    function takeBack(uint256 order) external {
        Order storage mine = orders[order];
        require(mine.owner == msg.sender && mine.debt == 0 && mine.here, "not now");
        mine.here = false;
        mine.nft.transferFrom(address(this), msg.sender, mine.id);
    }

    /// @notice Lends on it. The flaw.
    function borrow(uint256 order) external {
        Order storage mine = orders[order];
        require(mine.owner == msg.sender && mine.debt == 0, "not now");
        mine.debt = _LOAN;
        Address.sendValue(payable(msg.sender), _LOAN);
    }

    /// @notice Pays back.
    function repay(uint256 order) external payable {
        require(msg.value == orders[order].debt, "wrong amount");
        orders[order].debt = 0;
    }

    /// @notice Sells what was not redeemed in time for what is owed.
    function foreclose(uint256 order) external payable {
        Order storage late = orders[order];
        require(late.here && late.debt > 0 && block.timestamp > late.due, "not late");
        require(msg.value == late.debt, "wrong amount");
        (late.here, late.debt) = (false, 0);
        late.nft.transferFrom(address(this), msg.sender, late.id);
    }
}

/// @title Things in numbers, that may be turned into ether.
/// @notice WRITTEN FOR DRILLS. The flaw: `redeemMany` burns for each kind and pays for each number.
contract HeldItems {
    uint256 private constant _PRICE = 0.1 ether;

    mapping(uint256 kind => mapping(address account => uint256 count)) public balanceOf;

    event TransferSingle(address indexed operator, address indexed from, address indexed to, uint256 id, uint256 value);

    /// @notice Buys `count` of `kind`.
    function buy(uint256 kind, uint256 count) external payable {
        require(msg.value == count * _PRICE, "wrong price");
        balanceOf[kind][msg.sender] += count;
        emit TransferSingle(msg.sender, address(0), msg.sender, kind, count);
    }

    /// @notice Turns some of each kind into ether. The flaw.
    function redeemMany(uint256[] calldata kinds, uint256[] calldata counts) external {
        uint256 total = 0;
        for (uint256 index = 0; index < kinds.length; index++) {
            balanceOf[kinds[index]][msg.sender] -= counts[index];
            emit TransferSingle(msg.sender, msg.sender, address(0), kinds[index], counts[index]);
        }
        for (uint256 index = 0; index < counts.length; index++) total += counts[index];
        Address.sendValue(payable(msg.sender), total * _PRICE);
    }
}

/// @title A draw: one ether, and one of eight gets seven.
/// @notice WRITTEN FOR DRILLS. The flaw: chance is what everybody can read.
contract HeldLottery {
    event Drawn(address indexed account, bool won);

    receive() external payable {}

    /// @notice Draws.
    function draw() external payable {
        require(msg.value == 1 ether, "one ether");
        bool won = lucky(msg.sender);
        emit Drawn(msg.sender, won);
        if (won) Address.sendValue(payable(msg.sender), 7 ether);
    }

    /// @notice Whether `account` wins in this block.
    function lucky(address account) public view returns (bool) {
        return uint256(keccak256(abi.encode(blockhash(block.number - 1), block.timestamp, account))) % 8 == 0;
    }
}

/// @title Makes only those who will win.
/// @notice WRITTEN FOR DRILLS.
contract HeldGambler {
    /// @notice Looks at `tries` addresses, and lets those draw that win.
    function play(HeldLottery lottery, uint256 tries) external payable {
        bytes32 code = keccak256(type(HeldLuckyShell).creationCode);
        for (uint256 salt = 0; salt < tries && address(this).balance >= 1 ether; salt++) {
            bytes32 hash = keccak256(abi.encodePacked(bytes1(0xff), address(this), salt, code));
            if (!lottery.lucky(address(uint160(uint256(hash))))) continue;
            HeldLuckyShell shell = new HeldLuckyShell{salt: bytes32(salt)}();
            shell.draw{value: 1 ether}(lottery);
        }
        Address.sendValue(payable(tx.origin), address(this).balance);
    }

    receive() external payable {}
}

/// @title Draws once, and passes the gain back.
/// @notice WRITTEN FOR DRILLS.
contract HeldLuckyShell {
    /// @notice Draws.
    function draw(HeldLottery lottery) external payable {
        lottery.draw{value: msg.value}();
        Address.sendValue(payable(msg.sender), address(this).balance);
    }

    receive() external payable {}
}
