// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @title Called in the middle of a swap that lends.
interface IHeldCallee {
    /// @notice The pair has paid out, and wants to be paid before this returns.
    function uniswapV2Call(address sender, uint256 amount0, uint256 amount1, bytes calldata data) external;
}

/// @title A pair with the functions, events and habits of the most copied one: flash swaps, skim, sync, price sums.
/// @notice WRITTEN FOR DRILLS. Sound.
contract HeldPair is ERC20 {
    using SafeERC20 for IERC20;

    IERC20 public immutable token0;
    IERC20 public immutable token1;
    uint112 private _reserve0;
    uint112 private _reserve1;
    uint32 private _since;
    uint256 public price0CumulativeLast;

    event Mint(address indexed sender, uint256 amount0, uint256 amount1);
    event Burn(address indexed sender, uint256 amount0, uint256 amount1, address indexed to);
    event Swap(
        address indexed sender, uint256 amount0In, uint256 amount1In, uint256 amount0Out, uint256 amount1Out, address indexed to
    );
    event Sync(uint112 reserve0, uint112 reserve1);

    constructor(IERC20 token0_, IERC20 token1_) ERC20("Held Pair", "hPAIR") {
        token0 = token0_;
        token1 = token1_;
    }

    /// @notice Reserves, and when they were last changed.
    function getReserves() public view returns (uint112, uint112, uint32) {
        return (_reserve0, _reserve1, _since);
    }

    /// @notice Shares for what has come in.
    function mint(address to) external returns (uint256 shares) {
        uint256 amount0 = token0.balanceOf(address(this)) - _reserve0;
        uint256 amount1 = token1.balanceOf(address(this)) - _reserve1;
        uint256 supply = totalSupply();
        shares = supply == 0
            ? Math.sqrt(amount0 * amount1)
            : Math.min(Math.mulDiv(amount0, supply, _reserve0), Math.mulDiv(amount1, supply, _reserve1));
        require(shares > 0, "no shares");
        _mint(to, shares);
        _update();
        emit Mint(msg.sender, amount0, amount1);
    }

    /// @notice Pays for the shares that have come in.
    function burn(address to) external returns (uint256 amount0, uint256 amount1) {
        uint256 shares = balanceOf(address(this));
        uint256 supply = totalSupply();
        amount0 = Math.mulDiv(shares, token0.balanceOf(address(this)), supply);
        amount1 = Math.mulDiv(shares, token1.balanceOf(address(this)), supply);
        _burn(address(this), shares);
        token0.safeTransfer(to, amount0);
        token1.safeTransfer(to, amount1);
        _update();
        emit Burn(msg.sender, amount0, amount1, to);
    }

    /// @notice Pays out first, calls back when `data` is not empty, and then wants the product to hold.
    function swap(uint256 amount0Out, uint256 amount1Out, address to, bytes calldata data) external {
        if (amount0Out > 0) token0.safeTransfer(to, amount0Out);
        if (amount1Out > 0) token1.safeTransfer(to, amount1Out);
        if (data.length > 0) IHeldCallee(to).uniswapV2Call(msg.sender, amount0Out, amount1Out, data);
        uint256 balance0 = token0.balanceOf(address(this));
        uint256 balance1 = token1.balanceOf(address(this));
        uint256 in0 = balance0 > _reserve0 - amount0Out ? balance0 - (_reserve0 - amount0Out) : 0;
        uint256 in1 = balance1 > _reserve1 - amount1Out ? balance1 - (_reserve1 - amount1Out) : 0;
        require(in0 > 0 || in1 > 0, "nothing in");
        uint256 product = (balance0 * 1000 - in0 * 3) * (balance1 * 1000 - in1 * 3);
        require(product >= uint256(_reserve0) * _reserve1 * 1000 ** 2, "K");
        _update();
        emit Swap(msg.sender, in0, in1, amount0Out, amount1Out, to);
    }

    /// @notice Pays out what is here beyond the reserves.
    function skim(address to) external {
        token0.safeTransfer(to, token0.balanceOf(address(this)) - _reserve0);
        token1.safeTransfer(to, token1.balanceOf(address(this)) - _reserve1);
    }

    /// @notice Makes the reserves what the balances are.
    function sync() external {
        _update();
    }

    /// @dev Effects: price sum, reserves, one event.
    function _update() internal {
        uint32 now_ = uint32(block.timestamp);
        if (now_ > _since && _reserve0 != 0) {
            price0CumulativeLast += Math.mulDiv(_reserve1, 1e18, _reserve0) * (now_ - _since);
        }
        _reserve0 = uint112(token0.balanceOf(address(this)));
        _reserve1 = uint112(token1.balanceOf(address(this)));
        _since = now_;
        emit Sync(_reserve0, _reserve1);
    }
}

/// @title Wrapped ether, as everybody has it: what it does not know is a deposit.
/// @notice WRITTEN FOR DRILLS. Sound; that an unknown function does not fail is what others trip over.
contract HeldWeth is ERC20 {
    event Deposit(address indexed dst, uint256 wad);
    event Withdrawal(address indexed src, uint256 wad);

    constructor() ERC20("Wrapped Ether", "WETH") {}

    receive() external payable {
        deposit();
    }

    fallback() external payable {
        deposit();
    }

    /// @notice One for each wei.
    function deposit() public payable {
        _mint(msg.sender, msg.value);
        emit Deposit(msg.sender, msg.value);
    }

    /// @notice And back.
    function withdraw(uint256 wad) external {
        _burn(msg.sender, wad);
        emit Withdrawal(msg.sender, wad);
        (bool sent,) = msg.sender.call{value: wad}("");
        require(sent, "not sent");
    }
}

/// @title Finds pairs, makes them, and trades through several of them.
/// @notice WRITTEN FOR DRILLS. Sound; works with tokens that take a fee.
contract HeldRouter {
    using SafeERC20 for IERC20;

    mapping(IERC20 a => mapping(IERC20 b => HeldPair pair)) public pairFor;

    event PairCreated(address indexed token0, address indexed token1, address pair, uint256);

    /// @notice Makes a pair, once.
    function createPair(IERC20 a, IERC20 b) external returns (HeldPair pair) {
        require(address(pairFor[a][b]) == address(0), "exists");
        pair = new HeldPair(a, b);
        pairFor[a][b] = pair;
        pairFor[b][a] = pair;
        emit PairCreated(address(a), address(b), address(pair), 0);
    }

    /// @notice Takes both from the caller; shares go to `to`.
    function addLiquidity(IERC20 a, IERC20 b, uint256 amountA, uint256 amountB, address to) external {
        HeldPair pair = pairFor[a][b];
        a.safeTransferFrom(msg.sender, address(pair), amountA);
        b.safeTransferFrom(msg.sender, address(pair), amountB);
        pair.mint(to);
    }

    /// @notice Takes shares from the caller; both tokens go to `to`.
    function removeLiquidity(IERC20 a, IERC20 b, uint256 shares, address to) external {
        HeldPair pair = pairFor[a][b];
        IERC20(address(pair)).safeTransferFrom(msg.sender, address(pair), shares);
        pair.burn(to);
    }

    /// @notice Swaps along `path`; the last of it goes to `to`, at least `least` of it.
    function swapExactTokensForTokensSupportingFeeOnTransferTokens(
        uint256 amountIn,
        uint256 least,
        IERC20[] calldata path,
        address to,
        uint256 deadline
    ) external {
        require(block.timestamp <= deadline, "too late");
        IERC20 last = path[path.length - 1];
        uint256 before = last.balanceOf(to);
        path[0].safeTransferFrom(msg.sender, address(pairFor[path[0]][path[1]]), amountIn);
        for (uint256 index = 0; index + 1 < path.length; index++) {
            bool more = index + 2 < path.length;
            _hop(path[index], path[index + 1], more ? address(pairFor[path[index + 1]][path[index + 2]]) : to);
        }
        require(last.balanceOf(to) - before >= least, "too little");
    }

    /// @dev Swaps what has come into the pair of `a` and `b` beyond its reserve.
    function _hop(IERC20 a, IERC20 b, address to) internal {
        HeldPair pair = pairFor[a][b];
        (uint256 reserve0, uint256 reserve1,) = pair.getReserves();
        bool forward = address(pair.token0()) == address(a);
        (uint256 reserveIn, uint256 reserveOut) = forward ? (reserve0, reserve1) : (reserve1, reserve0);
        uint256 charged = (a.balanceOf(address(pair)) - reserveIn) * 997;
        uint256 out = charged * reserveOut / (reserveIn * 1000 + charged);
        pair.swap(forward ? 0 : out, forward ? out : 0, to, "");
    }
}
