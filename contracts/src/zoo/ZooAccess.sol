// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {ERC1967Utils} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Utils.sol";

/// @title A router that users give allowances to.
/// @notice WRITTEN FOR DRILLS. `pay` is sound. The flaws: `route` calls anything with any data, `payFrom` asks nobody
/// whose tokens they are.
contract ZooRouter {
    using SafeERC20 for IERC20;

    /// @notice Sends `amount` of the caller's tokens to `to`.
    function pay(IERC20 token, address to, uint256 amount) external {
        token.safeTransferFrom(msg.sender, to, amount);
    }

    /// @notice Takes `amount` of the caller's tokens, approves `venue` and calls it. The flaw: any venue, any data.
    function route(IERC20 token, uint256 amount, address venue, bytes calldata data) external {
        if (amount > 0) {
            token.safeTransferFrom(msg.sender, address(this), amount);
            token.forceApprove(venue, amount);
        }
        Address.functionCall(venue, data);
    }

    /// @notice Sends `amount` of the tokens of `from` to `to`. The flaw: anybody may say so.
    function payFrom(IERC20 token, address from, address to, uint256 amount) external {
        token.safeTransferFrom(from, to, amount);
    }
}

/// @title Holds ether and tokens for its owner, behind a proxy that its owner may upgrade.
/// @notice WRITTEN FOR DRILLS. Sound in `pay` and `upgrade`. The flaws: `initialise` may be called again, `claimOwner` and
/// `sweep` ask nobody.
contract ZooReserve {
    using SafeERC20 for IERC20;

    address public owner;
    uint256 public version;

    /// @notice As OpenZeppelin's.
    event OwnershipTransferred(address indexed previousOwner, address indexed newOwner);

    /// @notice `caller` is not the owner.
    error ZooReserveNotOwner(address caller);

    modifier onlyOwner() {
        if (msg.sender != owner) revert ZooReserveNotOwner(msg.sender);
        _;
    }

    receive() external payable {}

    /// @notice Sets the owner. The flaw: at any time.
    function initialise(address owner_) external {
        owner = owner_;
        version += 1;
    }

    /// @notice Makes the caller the owner. The flaw: any caller.
    function claimOwner() external {
        emit OwnershipTransferred(owner, msg.sender);
        owner = msg.sender;
    }

    /// @notice Pays all of `token` to `to`. The flaw: for anybody.
    function sweep(IERC20 token, address to) external {
        token.safeTransfer(to, token.balanceOf(address(this)));
    }

    /// @notice Pays `amount` of `token` to `to`.
    function pay(IERC20 token, address to, uint256 amount) external onlyOwner {
        token.safeTransfer(to, amount);
    }

    /// @notice Runs other code from now on.
    function upgrade(address implementation) external onlyOwner {
        ERC1967Utils.upgradeToAndCall(implementation, "");
    }

    /// @notice Something that was always there and that nobody used.
    function payMany(IERC20 token, address[] calldata to, uint256 amount) external onlyOwner {
        for (uint256 index = 0; index < to.length; index++) token.safeTransfer(to[index], amount);
    }
}

/// @title The next version of the reserve: honest.
/// @notice WRITTEN FOR DRILLS.
contract ZooReserveNext is ZooReserve {
    /// @notice What is new.
    function generation() external pure returns (uint256) {
        return 2;
    }
}

/// @title Code that takes everything from whatever runs it.
/// @notice WRITTEN FOR DRILLS.
contract ZooHostileCode {
    using SafeERC20 for IERC20;

    address private _slotZero;

    /// @notice Makes `to` the first word of whatever runs this by delegate call.
    function transfer(address to, uint256) external returns (bool) {
        _slotZero = to;
        return true;
    }

    /// @notice Sends everything of `token` to `to`.
    function sweepToken(IERC20 token, address to) external {
        token.safeTransfer(to, token.balanceOf(address(this)));
    }

    /// @notice Sends all ether to `to`.
    function sweepEther(address payable to) external {
        Address.sendValue(to, address(this).balance);
    }
}
