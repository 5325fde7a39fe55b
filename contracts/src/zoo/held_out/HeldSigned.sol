// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

/// @title Pays whoever shows a voucher that its signer signed.
/// @notice WRITTEN FOR DRILLS. The flaws: a voucher is not crossed off; where no signer was ever named, a signature that
/// means nothing is his.
contract HeldVouchers {
    using SafeERC20 for IERC20;

    IERC20 public immutable token;
    address public signer;

    event Redeemed(address indexed to, uint256 amount);

    constructor(IERC20 token_, address signer_) {
        token = token_;
        signer = signer_;
    }

    /// @notice Pays `amount` to `to`.
    function redeem(address to, uint256 amount, uint8 v, bytes32 r, bytes32 s) external {
        bytes32 hash = keccak256(abi.encode(address(this), to, amount));
        require(ecrecover(hash, v, r, s) == signer, "not signed");
        token.safeTransfer(to, amount);
        emit Redeemed(to, amount);
    }
}

/// @title Fills orders that their makers signed, out of their allowances.
/// @notice WRITTEN FOR DRILLS. The flaw: an order that is filled by its last part is not remembered as filled.
contract HeldOrders {
    using SafeERC20 for IERC20;

    /// @notice What a maker wants: at least `wants` of one token for `gives` of the other.
    struct Order {
        address maker;
        IERC20 sell;
        IERC20 buy;
        uint256 gives;
        uint256 wants;
    }

    mapping(bytes32 order => uint256 given) public filled;

    event Filled(bytes32 indexed order, address indexed taker, uint256 gives, uint256 wants);

    /// @notice Fills `part` of the order: pays the maker in proportion, rounded down.
    function fill(Order calldata order, uint256 part, uint8 v, bytes32 r, bytes32 s) external {
        bytes32 hash = hashOf(order);
        require(ecrecover(hash, v, r, s) == order.maker, "not signed");
        uint256 rest = order.gives - filled[hash];
        require(part <= rest, "too much");
        // The flaw: what is finished is forgotten.
        if (part == rest) delete filled[hash];
        else filled[hash] += part;
        uint256 price = order.wants * part / order.gives;
        order.buy.safeTransferFrom(msg.sender, order.maker, price);
        order.sell.safeTransferFrom(order.maker, msg.sender, part);
        emit Filled(hash, msg.sender, part, price);
    }

    /// @notice What makers sign.
    function hashOf(Order calldata order) public view returns (bytes32) {
        return keccak256(abi.encode(address(this), order));
    }
}

/// @title Takes deposits for others, by their allowance or by their signature.
/// @notice WRITTEN FOR DRILLS. The flaw: a token without `permit` may answer as if it had one.
contract HeldDesk {
    using SafeERC20 for IERC20;

    mapping(address account => mapping(IERC20 token => uint256 amount)) public held;

    event Deposited(address indexed from, address indexed token, uint256 amount, address indexed account);

    /// @notice Deposits the caller's tokens.
    function deposit(IERC20 token, uint256 amount) external {
        _take(token, msg.sender, amount, msg.sender);
    }

    /// @notice Deposits the tokens of `from`, who signed, for `account`.
    function depositWithPermit(
        IERC20 token,
        address from,
        uint256 amount,
        address account,
        uint256 deadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external {
        IERC20Permit(address(token)).permit(from, address(this), amount, deadline, v, r, s);
        _take(token, from, amount, account);
    }

    /// @notice Pays deposits out.
    function withdraw(IERC20 token, uint256 amount) external {
        held[msg.sender][token] -= amount;
        token.safeTransfer(msg.sender, amount);
    }

    /// @dev Effects: one deposit, one transfer.
    function _take(IERC20 token, address from, uint256 amount, address account) internal {
        token.safeTransferFrom(from, address(this), amount);
        held[account][token] += amount;
        emit Deposited(from, address(token), amount, account);
    }
}
